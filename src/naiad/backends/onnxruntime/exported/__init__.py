"""What exported encoders take and give: `ports` knows the names, `rectangle` pads sequences, `choice` picks outputs."""
