# sources of daemon
include daemon/milter/local.mk
