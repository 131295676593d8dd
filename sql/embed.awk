# embed.awk - turns STATEMENTS, sqlite/*.sql and mysql/*.sql (in this order, and each in the order of
# its numbers) into the C text that is built into the program. Prints it.
function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\""
}
function end_file() {
	if (script != "")
		print "\tNULL,\n};"
	else if (open)
		print "\t},"
	if (statements && !script_seen) {
		print "\t{NULL, NULL},\n};"
		script_seen = 1
	}
	open = 0
}
BEGIN {
	print "/* Made of sql/STATEMENTS and the scripts beside it by sql/embed.awk. */"
	print "#include <stddef.h>\n\n#include \"backends/sql_text.h\"\n"
}
FNR == 1 && FILENAME !~ /\.sql$/ {
	statements = 1
	print "const struct sql_text sql_texts[] = {"
}
FNR == 1 && FILENAME ~ /\.sql$/ {
	end_file()
	count = split(FILENAME, parts, "/")
	dialect = parts[count - 1]
	script = dialect "_" substr(parts[count], 1, 3)
	if (parts[count] !~ /^[0-9][0-9][0-9]\.sql$/)
		next_file_is_wrong = 1
	versions[dialect]++
	if (substr(parts[count], 1, 3) + 0 != versions[dialect])
		next_file_is_wrong = 1
	print "\nstatic const char *const " script "[] = {"
}
FILENAME !~ /\.sql$/ && /^[a-z_]+:/ {
	if (open)
		print "\t},"
	open = 1
	name = $0
	sub(/:.*/, "", name)
	printf "\t{%s,", quoted(name)
	next
}
FILENAME !~ /\.sql$/ && /^\t/ {
	sub(/^\t/, "")
	printf "\n\t    %s", quoted($0 " ")
	next
}
FILENAME ~ /\.sql$/ && /^-- ADDS ONLY:/ {
	adds_only[script] = 1
}
FILENAME ~ /\.sql$/ && !/^--/ && !/^[ \t]*$/ {
	end = $0 ~ /;$/
	sub(/;$/, "")
	printf "\t    %s%s\n", quoted($0 " "), end ? "," : ""
}
END {
	end_file()
	if (next_file_is_wrong)
		exit 1
	split("sqlite mysql", dialects, " ")
	for (i = 1; i <= 2; i++) {
		print "\nconst struct sql_migration " dialects[i] "_migrations[] = {"
		for (v = 1; v <= versions[dialects[i]]; v++)
			printf "\t{%d, %s, %s_%03d},\n", v,
				adds_only[sprintf("%s_%03d", dialects[i], v)] ? "true" : "false",
				dialects[i], v
		print "\t{0, false, NULL},\n};"
	}
}
