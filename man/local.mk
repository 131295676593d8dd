# sources of man
dist_man_MANS += man/signpostd.conf.5
