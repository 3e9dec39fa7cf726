import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../test/fixtures/agent/directory.ts';
import { makeTree, recipeOf, whyNoChroot, workshop } from '../../test/fixtures/builder.ts';
import { startSandbox } from '../../test/fixtures/sandbox.ts';
import { whyNoContainers } from '../../test/fixtures/scaffold.ts';
import { runCommands } from './commands.ts';
import { createPrograms } from './programs.ts';

const unable = whyNoChroot() ?? whyNoContainers();

describe.skipIf(unable)(unable ? `the sandbox (skipped: ${unable})` : 'the sandbox', { timeout: 120_000 }, () => {
  const tree = (change: (root: string) => void = () => undefined) => {
    const root = makeTree(join(temporaryDirectory(), 'root'));
    change(root);
    return root;
  };
  async function run(root: string, commands: string[]) {
    const { directory, stop } = await startSandbox();
    const shop = workshop({ push: { password: 'secret' } });
    await runCommands({ root, recipe: recipeOf({ run: commands }), ports: { ...shop.ports, sandbox: directory } });
    return { lines: shop.lines, stop };
  }
  const said = async (...commands: string[]) => (await run(tree(), commands)).lines.map((line) => line.trim());

  test('has a /proc, which is that of its own processes', async () => {
    const lines = await said(
      'test -e /proc/self/exe && while read -r _ _ _ _ place _; do echo "at $place"; done </proc/self/mountinfo',
      'for it in /proc/[0-9]*; do echo "process $(cat $it/comm)"; done',
    );
    expect(lines).toContain('at /proc');
    // Its first process, and the command.
    expect(lines.filter((line) => line.startsWith('process '))).toHaveLength(2);
  });

  test('gives back the tree with all that a tree has', async () => {
    const root = tree((made) => {
      const odd = `
        printf x >usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping
        setfacl -m g:adm:r,u:1000:r etc/passwd; setfacl -d -m g:adm:rx srv
        setfattr -n user.kept -v yes usr/bin/ping
        printf x >usr/bin/setgid; chown 5:33 usr/bin/setgid; chmod 6755 usr/bin/setgid
        ln usr/bin/setgid usr/bin/again
        mkfifo srv/pipe; mknod srv/device c 1 3
        mkdir -m 0700 srv/private; chown 4000000000:7 srv/private
        touch -d @1000000000.123456789 srv/private; mkdir proc dev; chmod 0555 proc
        echo 127.0.0.1 mine >etc/hosts; ln -s ../run/resolv.conf etc/resolv.conf; touch dev/mine`;
      execFileSync('sh', ['-euc', odd], { cwd: made });
    });
    const look = () => {
      const script = `
        find . -path ./srv/new -prune -o -path ./srv -prune -o -printf '%p %y %m %U:%G %n %l\\n' | sort
        find srv/private -printf '%p %m %U:%G %T@\\n'; stat -c '%F %t %T' srv/pipe srv/device
        getcap usr/bin/ping; getfattr -d usr/bin/ping; getfacl -cn etc/passwd srv; cat etc/hosts`;
      return execFileSync('sh', ['-euc', script], { cwd: root, encoding: 'utf8' });
    };
    const before = look();
    await run(root, ['echo made >/srv/new']);
    expect(look()).toBe(before);
    expect(before).toContain('cap_net_raw=ep');
    expect(readFileSync(join(root, 'srv/new'), 'utf8')).toBe('made\n');
    expect(readlinkSync(join(root, 'etc/resolv.conf'))).toBe('../run/resolv.conf');
    expect(existsSync(join(root, '.monoroot'))).toBe(false);
    expect(existsSync(join(root, 'usr/sbin/policy-rc.d'))).toBe(false);
  });

  test('runs each command after the other, with name servers, and knows only what it is given', async () => {
    process.env['LEAKED'] = 'leaked';
    const lines = await said(`echo "it's $(id -u) $HOME" >/srv/a`, 'cat /srv/a; cat /etc/resolv.conf; set');
    delete process.env['LEAKED'];
    expect(lines).toContain("it's 0 /root".replace('/root', ['', 'root'].join('/')));
    const servers = readFileSync('/etc/resolv.conf', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('nameserver'));
    expect(lines).toEqual(expect.arrayContaining(servers));
    expect(lines.join('\n')).not.toContain('leaked');
  });

  test('has nothing left of one command in the next', async () => {
    const lines = await said(
      "(trap '' TERM HUP; while :; do :; done) & su -s /bin/sh www -c 'while :; do :; done' & echo started",
      'for it in /proc/[0-9]*; do echo "process $(cat $it/comm)"; done',
    );
    expect(lines).toContain('started');
    expect(lines.filter((line) => line.startsWith('process '))).toHaveLength(2);
  });

  test('tells a command that fails, and its last lines', async () => {
    await expect(run(tree(), ['echo that was it >&2; exit 7'])).rejects.toMatchObject({
      reason: 'CommandFailed',
      message: expect.stringContaining('ended with 7') as unknown,
      lines: ['that was it'],
    });
  });

  test('that ends itself is reported, and nothing waits for it', async () => {
    const { directory, stop } = await startSandbox();
    const shop = workshop();
    const told = (line: string) => {
      if (line === 'now') stop();
    };
    const ports = {
      ...shop.ports,
      sandbox: directory,
      progress: { ...shop.ports.progress, line: told },
      programs: createPrograms({ tell: told, signal: shop.ports.signal }),
    };
    const recipe = recipeOf({ run: ['echo now; while :; do :; done'] });
    await expect(runCommands({ root: tree(), recipe, ports })).rejects.toMatchObject({
      lines: ['now', expect.stringContaining('resources.limits.memory') as unknown],
    });
  });

  test('that was started again has lost the tree, and gives nothing else as the tree', async () => {
    const root = tree();
    const { directory, stop } = await startSandbox();
    const { ports } = workshop();
    const recipe = recipeOf({ run: ['echo first', 'echo second'] });
    const again: Promise<unknown>[] = [];
    const line = (text: string) => {
      if (text !== '+ echo second') return;
      stop();
      again.push(startSandbox(directory));
    };
    const failure = runCommands({
      root,
      recipe,
      ports: { ...ports, sandbox: directory, progress: { ...ports.progress, line } },
    });
    await expect(failure).rejects.toMatchObject({ lines: [expect.stringContaining('has ended') as unknown] });
    await Promise.all(again);
  });

  test('leads no write of the builder out of the tree', async () => {
    const outside = temporaryDirectory();
    const root = tree((made) => writeFileSync(join(made, 'etc/hosts'), 'x'));
    // What runs there can replace the tar that packs the tree.
    const forge = `
      mkdir -p /forged/usr && ln -s ${outside} /forged/etc && ln -s ${outside} /forged/usr/sbin
      cd /.monoroot/tools && /.monoroot/busybox mv ld.so loader
      echo '#!/.monoroot/busybox sh' >ld.so
      echo 'exec /.monoroot/tools/loader --library-path /.monoroot/tools /.monoroot/tools/tar -C /forged -c .' >>ld.so
      chmod 755 ld.so`;
    await run(root, [forge]);
    expect(lstatSync(join(root, 'etc')).isSymbolicLink()).toBe(true);
    expect(readdirOf(outside)).toEqual([]);
    expect(lstatSync(join(root, 'usr/sbin')).isSymbolicLink()).toBe(true);
  });

  test('is not for a tree whose /etc is a link: that has a chroot', async () => {
    const root = tree((made) => {
      execFileSync('mv', ['etc', 'usr/etc'], { cwd: made });
      symlinkSync('usr/etc', join(made, 'etc'));
    });
    const { lines } = await run(root, ['cat /etc/os-release']);
    expect(lines.join('\n')).toContain('ID=tiny');
    rmSync(root, { recursive: true });
  });
});

const readdirOf = (directory: string) =>
  execFileSync('ls', ['-A', directory], { encoding: 'utf8' }).split('\n').filter(Boolean);
