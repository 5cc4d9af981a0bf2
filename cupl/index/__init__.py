"""The photo library: vectors and facts of photos in a store, and what is found in it."""
