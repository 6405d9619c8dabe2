"""What every page shares: the frame, the selection and its URL, what is kept between runs, the sidebar, the views."""
