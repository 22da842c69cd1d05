"""The contenders, one file each, all of the shape `contender.Peer`."""
