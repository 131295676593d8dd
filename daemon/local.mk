# sources of daemon
