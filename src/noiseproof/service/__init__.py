"""A smoothed classifier that answers requests, and a page that shows how it comes to its answers."""
