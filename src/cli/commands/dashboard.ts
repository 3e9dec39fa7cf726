import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { aborted } from '../../runtime/time.ts';
import { CommandError, UsageError, defineCommand, exitCodes } from '../command.ts';
import { loopbackHosts } from '../dashboard/access.ts';
import { bundledAssets } from '../dashboard/assets.ts';
import { followFleet } from '../dashboard/live.ts';
import { serveDashboard } from '../dashboard/server.ts';

/** The page. */
export const dashboard = defineCommand({
  name: ['dashboard'],
  summary: 'Serve a page on this machine that shows the fleet live, and open it',
  options: {
    port: { type: 'string', value: 'PORT', help: 'port of this machine; a free one by default' },
    'no-open': { type: 'boolean', help: 'print the address, and open no browser' },
  },
  description: `The page shows and changes nothing: it reads what you may read, with your own rights, and answers on 127.0.0.1 alone, to who has the key in the
address that it prints. It runs until Ctrl-C. -n shows the containers of one namespace only, for those who may not list them all.`,
  examples: [
    'kubectl monoroot dashboard',
    'kubectl monoroot dashboard -n shops',
    'kubectl monoroot dashboard --port 9080 --no-open',
  ],
  async run({ cluster, out, err, now, signal, version, system, env, stdout, page }, { values }) {
    const port = portOf(values.port);
    const assets = page ?? bundledAssets();
    if (!assets)
      throw new CommandError('This plugin runs from its sources, which have no page; build it: npm run build');
    const { client, server } = cluster();
    const { namespace } = values;
    const logger = pino({ level: 'silent' });
    const [key, ticket] = [newKey(), newKey()];
    const stop = new AbortController();
    const live = followFleet({ client, namespace, logger, now });
    const access = { hosts: loopbackHosts, key, ticket };
    const about = { cluster: server, version, namespace };
    const served = await serveDashboard({ port, host: '127.0.0.1', access, assets, live, now, logger, about });
    const running = live.run(AbortSignal.any([signal, stop.signal]));
    try {
      // What is behind # stays in the browser.
      const address = (what: string) => `http://127.0.0.1:${served.port}/#${what}`;
      out.line(address(`key=${key}`));
      err.line('The page is open until you press Ctrl-C. The address has a key: whoever has it sees what you may see.');
      if (values['no-open'] !== true && stdout.isTTY === true)
        openBrowser(address(`ticket=${ticket}`), system.platform, env);
      await aborted(signal);
    } finally {
      stop.abort();
      await served.close();
      await running;
    }
    return exitCodes.done;
  },
});

const newKey = () => randomBytes(24).toString('base64url');

function portOf(text: string | undefined): number {
  const port = Number(text ?? 0);
  if (Number.isInteger(port) && port >= 0 && port < 65536 && text !== '') return port;
  throw new UsageError(`--port takes a number from 0 to 65535, and got ${text ?? ''}`);
}

/** What opens an address in a browser, where it is not xdg-open. */
const openers: Readonly<Record<string, { program: string; options: readonly string[] }>> = {
  darwin: { program: 'open', options: [] },
  win32: { program: 'rundll32', options: ['url.dll,FileProtocolHandler'] },
};

/** Where none can be opened the address is on the screen. */
function openBrowser(url: string, platform: string, env: Readonly<Record<string, string | undefined>>): void {
  const { program, options } = openers[platform] ?? { program: 'xdg-open', options: [] };
  const child = spawn(program, [...options, url], { detached: true, stdio: 'ignore', env: { ...env } });
  child.on('error', () => undefined);
  child.unref();
}
