# The port layer is one library (for the daemon and its tests); its folders add their sources.
LIBS += portlayer
portlayer_DIR := portlayer
