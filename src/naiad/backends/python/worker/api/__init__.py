"""What model code sees as `triton_python_backend_utils`, in pieces; names and behaviour are Triton's."""
