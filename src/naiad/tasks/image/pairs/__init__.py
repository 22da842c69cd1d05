"""What models of images and texts are for (CLIP, SigLIP): comparing them, and vectors of both kinds in one space."""
