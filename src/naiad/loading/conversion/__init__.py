"""From a source to a servable folder that has been checked: `naiad convert`, and serving what torch must export."""
