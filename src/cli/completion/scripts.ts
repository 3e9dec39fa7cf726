import { completeWord } from './complete.ts';

/** Scripts that let a shell ask the plugin. `kubectl` is the one that kubectl's own completion looks for in the PATH. */
export const shells = ['bash', 'zsh', 'fish', 'powershell', 'kubectl'] as const;
export type Shell = (typeof shells)[number];

export const scriptFor = (shell: Shell): string => scripts[shell];

const program = 'kubectl-monoroot';

/** Words are taken from the line, as bash would cut them at colons. */
const bash = `# bash completion of ${program}
_kubectl_monoroot() {
  local line directive=0 values=() words
  read -ra words <<<"\${COMP_LINE:0:COMP_POINT}"
  [[ \${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')
  local current=\${words[\${#words[@]}-1]}
  while IFS= read -r line; do
    case $line in
      :[0-9]*) directive=\${line#:} ;;
      *) values+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("\${words[0]}" ${completeWord} "\${words[@]:1}" 2>/dev/null)
  COMPREPLY=("\${values[@]}")
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then COMPREPLY=("\${COMPREPLY[@]#"\${current%"\${current##*:}"}"}"); fi
  if ((directive & 2)); then compopt -o nospace; fi
  if ((directive == 0)); then compopt -o default; fi
}
complete -F _kubectl_monoroot ${program}
`;

const zsh = `#compdef ${program}
_kubectl_monoroot() {
  local line directive=0
  local -a values flags
  for line in "\${(@f)$("\${words[1]}" ${completeWord} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :[0-9]* ]]; then directive=\${line#:}
    elif [[ $line == *$'\\t'* ]]; then values+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    elif [[ -n $line ]]; then values+=("\${line//:/\\\\:}")
    fi
  done
  (( directive & 2 )) && flags=(-S '')
  if (( \${#values} )); then _describe ${program} values $flags
  elif (( directive == 0 )); then _files
  fi
}
compdef _kubectl_monoroot ${program}
`;

const fish = `# fish completion of ${program}
function __kubectl_monoroot
  set -l words (commandline -opc) (commandline -ct)
  $words[1] ${completeWord} $words[2..-1] 2>/dev/null | string match -v -r '^:[0-9]+$'
end
complete -c ${program} -f -a '(__kubectl_monoroot)'
`;

const powershell = `# PowerShell completion of ${program}
Register-ArgumentCompleter -Native -CommandName ${program} -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { "$_" }) + $word
  & $words[0] ${completeWord} @($words | Select-Object -Skip 1) 2>$null | Where-Object { $_ -notmatch '^:[0-9]+$' } | ForEach-Object {
    $value, $text = $_ -split "\`t", 2
    if (-not $text) { $text = $value }
    [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $text)
  }
}
`;

const kubectl = `#!/bin/sh
# kubectl_complete-monoroot: in the PATH, kubectl completes the commands of the plugin with it.
exec ${program} ${completeWord} "$@"
`;

const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish, powershell, kubectl };
