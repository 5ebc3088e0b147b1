"""Parts of augmentation that every application needs: on a whole batch of images, each by what was drawn for it."""
