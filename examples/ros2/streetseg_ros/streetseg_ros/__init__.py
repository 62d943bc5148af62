"""A ROS 2 node that segments the images of a camera."""
