"""What goes out of the stored policies and into them: files, and configuration of other servers."""
