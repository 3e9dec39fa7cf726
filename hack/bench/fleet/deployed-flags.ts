/** The flags of Node in the command of a manifest: what stands between the program and the file that it runs. */
export function deployedFlags(manifest: string): string[] {
  const command = /^ +command: \[node, (.*), \S+\.js\]$/m.exec(manifest)?.[1];
  if (command === undefined) throw new Error('The manifest has no command that begins with node');
  return command.split(', ');
}
