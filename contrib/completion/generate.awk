# SPDX-License-Identifier: GPL-2.0-or-later
#
# Theory of operation
#
# A command line is at a path: "" at first, the words of the task later. Each path has options, words
# that can come next, and what its operands are; they are read from the tables of a program on
# standard input, and written as one function of the shell, which a template's other functions ask.
# Options of "" are those of a path that has no table of its own.

BEGIN {
	FS = "\t"
	paths[n_paths++] = ""
	known[""] = 1
}

function add_path(path,    parent, word) {
	if (path in known)
		return
	known[path] = 1
	parent = ""
	word = path
	if (match(path, / [^ ]*$/)) {
		parent = substr(path, 1, RSTART - 1)
		word = substr(path, RSTART + 1)
		add_path(parent)
	}
	paths[n_paths++] = path
	following[parent] = following[parent] (following[parent] == "" ? "" : " ") word
}

$1 == "command" {
	path = substr($2, length(command) + 2)
	repeated = seen[$2]++
	if (repeated)
		next
	add_path(path)
	runs[path] = $3
	for (i = 4; i <= NF; i++)
		operands[path, n_operands[path]++] = $i
}
repeated { next }
$1 == "task" {
	add_path($2)
	if ($3 != "")
		operands[$2, n_operands[$2]++] = $3
}
$1 == "option" {
	i = n_options[path]++
	letter[path, i] = $2
	name[path, i] = $3
	argument[path, i] = $4
	values[path, i] = $5
	help[path, i] = $6
}

# In single quotes of any of the shells.
function quote(text) {
	if (shell == "fish") {
		gsub(/\\/, "\\\\", text)
		gsub(/'/, "\\'", text)
	} else
		gsub(/'/, "'\\''", text)
	return "'" text "'"
}

# --- bash ---

function list_flags(from,    i, text) {
	for (i = 0; i < n_options[from]; i++)
		if (argument[from, i] == "")
			text = text (letter[from, i] == "" ? "" : " -" letter[from, i]) " --" name[from, i]
	return substr(text, 2)
}

function list_takes(from,    i, text, value) {
	for (i = 0; i < n_options[from]; i++) {
		if (argument[from, i] == "")
			continue
		value = "=" quote(values[from, i])
		if (letter[from, i] != "")
			text = text "\n\t\t\t[-" letter[from, i] "]" value
		text = text "\n\t\t\t[--" name[from, i] "]" value
	}
	return text
}

function list_operands(path,    i, text) {
	for (i = 0; i < n_operands[path]; i++)
		text = text " " quote(operands[path, i])
	return substr(text, 2)
}

function write_bash(path, from) {
	print "\t" (path == "" ? "''" : quote(path)) ")"
	print "\t\ttakes=(" list_takes(from) ")"
	print "\t\tflags=(" list_flags(from) ")"
	write_rest(path, from)
}

function write_rest(path, from) {
	print "\t\tnext=(" following[path] ")"
	print "\t\toperands=(" list_operands(path) ")"
	print "\t\t" "runs=" (runs[from] == 1 ? "yes" : "")
	print "\t\t;;"
}

# --- zsh ---

function escape_zsh(text) {
	gsub(/[\[\]:\\]/, "\\\\&", text)
	return text
}

# As _arguments takes it.
function spec_of(from, i,    text, names, tail) {
	tail = "[" escape_zsh(help[from, i]) "]"
	if (argument[from, i] != "")
		tail = tail ":" escape_zsh(argument[from, i]) ": _@ID@_offer " values[from, i]
	text = argument[from, i] == "" ? "" : "="
	if (letter[from, i] == "")
		return quote((text == "" ? "" : "*") "--" name[from, i] text tail)
	names = "-" letter[from, i] (text == "" ? "" : "+") ",--" name[from, i] text
	if (text == "")
		return quote("(-" letter[from, i] " --" name[from, i] ")") "{" names "}" quote(tail)
	return "\\*{" names "}" quote(tail)
}

function write_zsh(path, from,    i) {
	print "\t" (path == "" ? "''" : quote(path)) ")"
	print "\t\tspecs=("
	for (i = 0; i < n_options[from]; i++)
		print "\t\t\t" named(spec_of(from, i))
	print "\t\t)"
	write_rest(path, from)
}

# --- fish ---

# What `complete` is told of values: files only where one of them is.
function fish_values(text,    file) {
	if (text == "")
		return " -x"
	file = " " text " " ~ / FILE /
	sub(/(^| )FILE/, "", text)
	return (file ? " -r -F" : " -x") (text == "" ? "" : " -a " quote("(@FISH@_offer " text ")"))
}

function write_fish(path, from,    i, at, takes, flag) {
	at = "complete -c @COMMAND@ -n " quote("@FISH@_at " (path == "" ? "''" : quote(path)))
	if (from == path)
		for (i = 0; i < n_options[from]; i++) {
			flag = (letter[from, i] == "" ? "" : " -s " letter[from, i]) " -l " name[from, i]
			print named("complete -c @COMMAND@ -n " quote("@FISH@_options " \
				(path == "" ? "''" : quote(path))) flag \
				(argument[from, i] == "" ? "" : fish_values(values[from, i])) \
				" -d " quote(help[from, i]))
		}
	if (following[path] != "")
		print named(at " -a " quote(following[path]))
	for (i = 0; i < n_operands[path]; i++)
		print named("complete -c @COMMAND@ -n " quote("@FISH@_at " \
			(path == "" ? "''" : quote(path)) " " (i + 1) \
			(i == n_operands[path] - 1 ? " last" : "")) \
			(operands[path, i] == "FILE" ? " -F" : " -a " \
			quote("(@FISH@_offer " operands[path, i] ")")))
}

function fish_tables(    i, j, path, text) {
	print named("set -g @FISH@_paths" list_paths())
	print named("set -g @FISH@_own" list_own())
	print named("set -g @FISH@_runs " runs[""])
	for (i = 0; i < n_paths; i++) {
		path = paths[i]
		text = ""
		for (j = 0; j < n_options[path]; j++)
			if (argument[path, j] != "")
				text = text (letter[path, j] == "" ? "" : " -" letter[path, j]) " --" name[path, j]
		if (n_options[path] > 0)
			print named("set -g @FISH@_takes" (path == "" ? "" : "_" path) text)
	}
}

function list_paths(    i, text) {
	for (i = 1; i < n_paths; i++)
		text = text " " quote(paths[i])
	return text
}

# Paths that have options of their own.
function list_own(    i, text) {
	for (i = 1; i < n_paths; i++)
		if (n_options[paths[i]] > 0)
			text = text " " quote(paths[i])
	return text
}

# --- All ---

function named(text,    id) {
	id = command
	gsub(/-/, "_", id)
	gsub(/@ID@/, id, text)
	gsub(/@FISH@/, "__" id, text)
	gsub(/@COMMAND@/, command, text)
	gsub(/@PROFILES@/, profiles, text)
	return text
}

function write_path(path,    from) {
	from = n_options[path] > 0 ? path : ""
	if (shell == "bash")
		write_bash(path, from)
	else if (shell == "zsh")
		write_zsh(path, from)
	else
		write_fish(path, from)
}

END {
	if (n_options[""] == 0) {
		print "generate: there is no table of options" >"/dev/stderr"
		exit 1
	}
	while ((getline line <template) > 0) {
		if (line !~ /^[ \t]*# @TABLE@$/) {
			print named(line)
			continue
		}
		if (shell == "fish")
			fish_tables()
		for (i = 0; i < n_paths; i++)
			write_path(paths[i])
	}
}
