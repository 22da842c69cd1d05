"""From a source to a servable folder that has been checked: for `naiad convert`, and for serving what needs an export."""
