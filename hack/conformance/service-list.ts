/** Services that people host, as Debian packages them: what is installed, what runs, and what shows that it serves. */

export interface Service {
  name: string;
  /** The image that it is in. */
  image: keyof typeof images;
  command: string[];
  user?: string;
  addCapabilities?: string[];
  env?: { name: string; value: string }[];
  writable?: { path: string; size: string }[];
  /** Where it is asked, and what its answer has in it. */
  ask?: { port: number; send: Buffer | string; expect: RegExp };
  /** A script in the container that shows that it works; tried until it prints this. */
  inside?: { script: string; expect: RegExp };
  /** What runs under the image's supervisor, instead of a command. */
  services?: Service[];
}

export interface Image {
  suite: 'bookworm' | 'trixie';
  packages: string[];
  files: { path: string; content: string; mode?: string; owner?: string }[];
}

const get = 'GET / HTTP/1.0\r\n\r\n';

/** A request as nginx sends it to PHP. */
function fastcgi(variables: Record<string, string>): Buffer {
  const record = (type: number, content: Buffer) =>
    Buffer.concat([Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]), content]);
  const parameters = Object.entries(variables).map(([name, value]) =>
    Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]),
  );
  const nothing = Buffer.alloc(0);
  const begin = record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]));
  return Buffer.concat([begin, record(4, Buffer.concat(parameters)), record(4, nothing), record(5, nothing)]);
}

/** A login without a password, and a question. */
function postgres(query: string): Buffer {
  const counted = (content: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(content.length + 4);
    return Buffer.concat([length, content]);
  };
  const start = Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from('user\0postgres\0database\0postgres\0\0')]);
  return Buffer.concat([counted(start), Buffer.from('Q'), counted(Buffer.from(`${query}\0`))]);
}

/** What runit runs. */
const runFile = (name: string, command: string) => ({
  path: `/usr/share/services/${name}/run`,
  content: `#!/bin/sh\nexec 2>&1\nexec ${command}\n`,
  mode: '0755',
});

export const images = {
  web: {
    suite: 'bookworm',
    packages: ['nginx', 'php-fpm', 'redis-server', 'openssh-server', 'cron', 'rsyslog', 'runit', 'gunicorn', 'nodejs'],
    files: [
      { path: '/etc/php/8.2/fpm/pool.d/zz-network.conf', content: '[www]\nlisten = 9000\n' },
      { path: '/srv/hello.php', content: '<?php echo "hello from php ", PHP_MAJOR_VERSION;\n' },
      { path: '/etc/rsyslog.d/network.conf', content: 'module(load="imtcp")\ninput(type="imtcp" port="514")\n' },
      { path: '/etc/cron.d/minute', content: '* * * * * www-data echo "$(id -un) ran" >/tmp/ran\n' },
      { path: '/etc/ssh/sshd_config.d/keys.conf', content: 'AuthorizedKeysFile /etc/ssh/authorized_keys\n' },
      {
        path: '/srv/app.py',
        content: 'def app(env, start):\n    start("200 OK", [])\n    return [b"hello from python"]\n',
      },
      {
        path: '/srv/server.mjs',
        content:
          "import { createServer } from 'node:http';\ncreateServer((_, r) => r.end('hello from node')).listen(8080);\n",
      },
      runFile('nginx', "nginx -g 'daemon off;'"),
      runFile('php', 'php-fpm8.2 -F'),
      runFile(
        'redis',
        'chpst -u redis redis-server /etc/redis/redis.conf --daemonize no --bind 0.0.0.0 --protected-mode no',
      ),
      runFile('cron', 'cron -f'),
      runFile('rsyslog', 'rsyslogd -n -iNONE'),
    ],
  },
  databases: {
    suite: 'bookworm',
    packages: ['postgresql', 'mariadb-server'],
    files: [
      {
        path: '/etc/postgresql/15/main/pg_hba.conf',
        content: 'local all postgres peer\nhost all all all trust\n',
        mode: '0640',
        owner: 'postgres:postgres',
      },
    ],
  },
  java17: {
    suite: 'bookworm',
    packages: ['openjdk-17-jdk-headless'],
    files: [
      {
        path: '/srv/Server.java',
        content: `import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class Server {
  public static void main(String[] args) throws Exception {
    var server = HttpServer.create(new InetSocketAddress(8080), 0);
    server.createContext("/", exchange -> {
      var answer = ("hello from java " + Runtime.version().feature()).getBytes();
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.start();
  }
}
`,
      },
    ],
  },
  java21: {
    suite: 'trixie',
    packages: ['openjdk-21-jre-headless'],
    files: [{ path: '/srv/index.html', content: 'hello from java 21\n' }],
  },
} satisfies Record<string, Image>;

/** Their packages bring a data directory with them. */
const room = [{ path: '/var', size: '200Mi' }];
const web = { port: 80, send: get, expect: /Welcome to nginx/ };
const php = {
  port: 9000,
  send: fastcgi({ SCRIPT_FILENAME: '/srv/hello.php', SCRIPT_NAME: '/hello.php', REQUEST_METHOD: 'GET' }),
  expect: /hello from php 8/,
};
const redis = { port: 6379, send: 'PING\r\n', expect: /\+PONG/ };
const ran = { script: 'cat /tmp/ran', expect: /www-data ran/ };
const logged = { script: 'grep -o "a question" /var/log/syslog', expect: /a question/ };
const syslog = { port: 514, send: '<13>Nov 27 12:00:00 client asks: a question\n', expect: /^/ };

const single: Service[] = [
  { name: 'nginx', image: 'web', command: ['nginx', '-g', 'daemon off;'], ask: web },
  { name: 'php-fpm', image: 'web', command: ['php-fpm8.2', '-F'], ask: php },
  {
    name: 'redis',
    image: 'web',
    user: 'redis',
    command: [
      'redis-server',
      '/etc/redis/redis.conf',
      '--daemonize',
      'no',
      '--bind',
      '0.0.0.0',
      '--protected-mode',
      'no',
    ],
    ask: redis,
  },
  {
    name: 'openssh',
    image: 'web',
    // It shuts what talks to strangers into an empty directory.
    addCapabilities: ['SYS_CHROOT'],
    command: ['sh', '-c', 'ssh-keygen -A && exec /usr/sbin/sshd -D -e'],
    ask: { port: 22, send: '', expect: /^SSH-2\.0-OpenSSH/ },
    inside: {
      script: `[ -f /tmp/key ] || ssh-keygen -q -t ed25519 -N '' -f /tmp/key
        cp /tmp/key.pub /etc/ssh/authorized_keys
        ssh -i /tmp/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 'echo "$(id -un) logged in"'`,
      expect: /root logged in/,
    },
  },
  { name: 'cron', image: 'web', command: ['cron', '-f'], inside: ran },
  { name: 'rsyslog', image: 'web', command: ['rsyslogd', '-n', '-iNONE'], ask: syslog, inside: logged },
  {
    name: 'nodejs',
    image: 'web',
    user: 'www-data',
    command: ['node', '/srv/server.mjs'],
    ask: { port: 8080, send: get, expect: /hello from node/ },
  },
  {
    name: 'gunicorn',
    image: 'web',
    user: 'www-data',
    command: ['gunicorn', '--bind', '0.0.0.0:8000', '--chdir', '/srv', 'app:app'],
    ask: { port: 8000, send: get, expect: /hello from python/ },
  },
  {
    name: 'postgresql',
    image: 'databases',
    user: 'postgres',
    writable: room,
    command: [
      '/usr/lib/postgresql/15/bin/postgres',
      '--config-file=/etc/postgresql/15/main/postgresql.conf',
      '--listen-addresses=*',
    ],
    ask: { port: 5432, send: postgres("select 'answer ' || 6 * 7"), expect: /answer 42/ },
  },
  {
    name: 'mariadb',
    image: 'databases',
    user: 'mysql',
    writable: room,
    command: ['mariadbd', '--bind-address=0.0.0.0'],
    ask: { port: 3306, send: '', expect: /MariaDB/ },
    inside: { script: `mariadb -NBe "select concat('answer ', 6 * 7)"`, expect: /answer 42/ },
  },
  {
    name: 'openjdk-17',
    image: 'java17',
    user: 'nobody',
    command: ['java', '/srv/Server.java'],
    ask: { port: 8080, send: get, expect: /hello from java 17/ },
  },
  {
    name: 'openjdk-21',
    image: 'java21',
    user: 'nobody',
    command: ['java', '-m', 'jdk.httpserver', '-b', '0.0.0.0', '-p', '8080', '-d', '/srv'],
    ask: { port: 8080, send: get, expect: /hello from java 21/ },
  },
];
const named = (...names: string[]) => single.filter(({ name }) => names.includes(name));

export const services: Service[] = [
  ...single,
  {
    name: 'runit',
    image: 'web',
    command: [],
    services: named('nginx', 'php-fpm', 'redis', 'cron', 'rsyslog'),
  },
];

/** Puts what runit runs where it looks, as a person would whose data has it already. */
export const mountScript = `#!/bin/sh
[ "$(ls -A /usr/share/services 2>/dev/null)" ] && [ -w /data ] || exit 0
mkdir -p /data/service && cp -r /usr/share/services/. /data/service/
`;
