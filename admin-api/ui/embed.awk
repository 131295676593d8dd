# embed.awk - turns style.css, script.js and index.html (in this order) into the C text that is built
# into signpost-admind (admin-api/api_ui.c). index.html has the marks @STYLE@ and @SCRIPT@,
# each at the end of a line, where those belong. What lines begin with to look well stays here. Prints it.
function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	gsub(/\?/, "\\?", text)
	return "    \"" text "\\n\""
}
function begin(name) {
	if (open)
		print "    ;"
	print "const char " name "[] ="
	open = 1
}
BEGIN {
	print "/* Made of the files in admin-api/ui by embed.awk. */"
	print "#include \"admin-api/api_ui.h\"\n"
}
FNR == 1 {
	count = split(FILENAME, parts, "/")
	begin(parts[count] == "style.css" ? "ui_style" : parts[count] == "script.js" ? "ui_script" : "ui_top")
}
# What stands before the mark ends there, without a line feed: digests are of all between the tags.
/@(STYLE|SCRIPT)@$/ {
	next_part = /@STYLE@$/ ? "ui_middle" : "ui_bottom"
	sub(/@[A-Z]+@$/, "")
	line = quoted($0)
	sub(/\\n"$/, "\"", line)
	print line
	begin(next_part)
	next
}
{
	sub(/^\t+/, "")
	print quoted($0)
}
END {
	print "    ;"
}
