"""Install the node where ros2 run finds it."""

from setuptools import setup

setup(
    name="streetseg_ros",
    version="0.1.0",
    packages=["streetseg_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/streetseg_ros"]),
        ("share/streetseg_ros", ["package.xml"]),
    ],
    install_requires=["setuptools", "streetseg"],
    license="MIT",
    entry_points={"console_scripts": ["segment = streetseg_ros.node:main"]},
)
