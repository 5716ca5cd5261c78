# Completion of nixie(1) for bash: the program itself says what there is.
_nixie() {
	local cur=${COMP_WORDS[COMP_CWORD]} line candidate
	COMPREPLY=()
	[ "$cur" = '=' ] && cur=
	while IFS= read -r line; do
		candidate=${line%%$'\t'*}
		case $candidate in
		:files | :directories)
			compopt -o filenames
			while IFS= read -r line; do
				COMPREPLY+=("$line")
			done < <(if [ "$candidate" = :files ]; then compgen -f -- "$cur"; else compgen -d -- "$cur"; fi)
			;;
		*=)
			compopt -o nospace
			COMPREPLY+=("$candidate")
			;;
		*) COMPREPLY+=("$candidate") ;;
		esac
	done < <("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _nixie nixie
