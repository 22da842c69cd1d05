"""The gRPC door: transports below, the servicer above, `call.py` between them."""
