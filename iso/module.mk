# `make iso` (rule in the top Makefile) runs iso/build on this program; TETHER=path puts in another /init.
TETHER ?= $(O)/bin/tether
