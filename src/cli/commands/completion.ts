import { UsageError, defineCommand, exitCodes } from '../command.ts';
import { scriptFor, shells } from '../completion/scripts.ts';

/** Prints what a shell needs to complete commands, options and names. */
export const completion = defineCommand({
  name: ['completion'],
  summary: 'Print the script with which a shell completes commands and names',
  positionals: ['SHELL'],
  description: `SHELL is bash, zsh, fish or powershell: for the program kubectl-monoroot. With kubectl it is the script kubectl_complete-monoroot:
in the PATH and executable, it lets kubectl's own completion complete \`kubectl monoroot\` as well. Names of objects are asked of the
cluster, with your own rights.`,
  examples: [
    'source <(kubectl monoroot completion bash)',
    'kubectl monoroot completion kubectl >~/bin/kubectl_complete-monoroot && chmod +x ~/bin/kubectl_complete-monoroot',
  ],
  run({ out }, { positionals: [asked = ''] }) {
    const shell = shells.find((it) => it === asked);
    if (shell === undefined) throw new UsageError(`There is no script for ${asked}, but for ${shells.join(', ')}`);
    out.line(scriptFor(shell).trimEnd());
    return Promise.resolve(exitCodes.done);
  },
});
