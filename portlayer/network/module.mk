portlayer_SRC += network/bridge.c network/firewall.c network/ipam.c network/network.c \
                 network/network_xml.c
