"""Attribution maps, and checks of them."""
