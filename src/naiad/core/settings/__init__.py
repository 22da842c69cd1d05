"""Options of the server, each declared once, on the field that holds its value."""
