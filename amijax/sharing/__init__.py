"""What leaves the page: links, snapshots, exports, scripts."""
