"""What runs inside a worker process, in whatever Python its model needs: 3.9 or newer, with numpy and nothing else.

The server uses `wire`, `regions`, `tensors` and `datatypes` of it, so that both ends of the wire are one piece of code.
"""
