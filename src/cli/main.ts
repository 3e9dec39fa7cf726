import { ApiError } from '../runtime/errors.ts';
import { CommandError, UsageError, exitCodes } from './command.ts';
import type { Command, ExitCode, Given, Options } from './command.ts';
import { complete, completeWord } from './completion/complete.ts';
import { openCluster } from './cluster.ts';
import type { Cluster, Target } from './cluster.ts';
import { helpFor } from './help.ts';
import type { Host } from './host.ts';
import { parseCommandLine } from './parse.ts';
import { createScreen, printableLines } from './terminal.ts';
import { secondsOf } from './time.ts';

/** Carries out what was typed after `kubectl monoroot` and gives the code to exit with. It never throws. */
export async function runCommandLine(
  argv: readonly string[],
  commands: readonly Command[],
  host: Host,
): Promise<ExitCode> {
  const out = createScreen(host.stdout);
  const err = createScreen(host.stderr);
  const clusters: Cluster[] = [];
  const open = (target: Target) => {
    const cluster = clusters[0] ?? openCluster(target, host.version);
    clusters[0] = cluster;
    return cluster;
  };
  try {
    if (argv[0] === completeWord) {
      for (const line of await complete(argv.slice(1), commands, open)) out.line(line);
      return exitCodes.done;
    }
    const parsed = parseCommandLine(argv, commands);
    if ('version' in parsed) out.line(host.version);
    else if ('help' in parsed) out.line(helpFor(parsed.help, commands, host.stdout.columns));
    else {
      const target = targetOf(parsed.given);
      const context = { ...host, out, err, commands, cluster: () => open(target) };
      return await parsed.command.run(context, parsed.given);
    }
    return exitCodes.done;
  } catch (error) {
    err.line(host.signal.aborted ? 'Interrupted' : `${err.paint('red', 'Error:')} ${printableLines(explain(error))}`);
    return exitCodes.failed;
  } finally {
    for (const cluster of clusters) await cluster.close();
  }
}

function targetOf({ values }: Given<Options>): Target {
  const { 'request-timeout': limit, kubeconfig, context, cluster, user, as, namespace } = values;
  const requestSeconds = limit === undefined ? undefined : secondsOf('request-timeout', limit);
  return { kubeconfig, context, cluster, user, as, namespace, requestSeconds };
}

/** A refusal with the words of the API server, and what to do where it is not the object that is at fault. */
function explainRefusal({ code, message, reason }: ApiError): string {
  const said = `The API server refused it: ${message === reason ? reason : `${message} (${reason})`}`;
  if (code === 401)
    return `${said}. It does not know who asks: log in again, the token or the certificate of the kubeconfig may have expired`;
  if (code === 404 && /page not found|the requested resource/.test(message))
    return 'The API server does not know the kinds of Monoroot: is it installed in this cluster? See --context';
  return said;
}

/** One line that says what happened; what no one foresaw has the words of the program. */
function explain(error: unknown): string {
  if (error instanceof UsageError || error instanceof CommandError) return error.message;
  if (error instanceof ApiError) return explainRefusal(error);
  if (error instanceof Error && 'code' in error && 'path' in error) return error.message;
  if (error instanceof Error && 'code' in error) {
    return `${error.message || String(error.code)}; is this the right cluster, and does it answer? See --kubeconfig and --context`;
  }
  return error instanceof Error ? error.message : String(error);
}
