import type { Machine } from '../machine.ts';
import { NGINX_RELOAD } from '../text.ts';

/** What a release says, and what is wrong with it. */
export interface Content {
  /** stands in two of its files, and both are in each answer */
  readonly text: string;
  /** a line that the software does not understand */
  readonly hasNonsense?: boolean;
  /** its health is asked for at a path of its own, and answered by 503 */
  readonly isUnhealthy?: boolean;
  /** it wants an address that somebody else on the machine has: its validation does not see that, and the reload waits for ever */
  readonly wants?: number;
  /** an instance on which its template cannot be rendered */
  readonly brokenOn?: string;
  /** bytes of a file beside the others */
  readonly ballast?: number;
}

/** A real server that reads a bundle, and puts what two files of it say into each answer. */
export interface Software {
  readonly bundle: string;
  /** on the instance's address, and on loopback */
  readonly port: number;
  readonly root: string;
  /** of `quorate import`: Debian's own tree as it is */
  readonly link: 'directory' | 'files' | 'copy';
  readonly definition: {
    readonly templates: readonly string[];
    readonly reload: { readonly command: string };
    readonly [key: string]: unknown;
  };
  /** @param native what Debian has in the file, by its path below the root */
  files(content: Content, native: (path: string) => string): Readonly<Record<string, string>>;
  /** what its own check prints about nonsense */
  readonly nonsense: RegExp;
  /** whether it goes on serving where a reload cannot listen, and waits for ever; haproxy hears nobody for two seconds then, and apache2 ends */
  readonly servesWithoutAddress: boolean;
  start(machine: Machine): void;
}

export const PAGES = '/var/www/lab';

/** A template error, for one machine. */
const broken = ({ brokenOn }: Content): string =>
  brokenOn === undefined ? '' : `{% if instance.id == "${brokenOn}" %}# {{ vars.nowhere }}{% endif %}\n`;

const http = (port: number): Readonly<Record<string, unknown>> => ({
  http: { url: `http://127.0.0.1:${port}/health` },
  interval: 1,
});

const nginx: Software = {
  bundle: 'nginx',
  port: 8081,
  root: '/etc/nginx',
  link: 'directory',
  definition: {
    root: '/etc/nginx',
    link: 'directory',
    templates: ['conf.d/site.conf'],
    validate: { command: 'nginx -t' },
    reload: { command: NGINX_RELOAD },
    health: http(8081),
    rollout: { canary: ['web-1'], strategy: 'linear', step: 34, bake: 1 },
  },
  files: (content) => ({
    'conf.d/second.conf': `add_header X-Release ${content.text} always;\n`,
    'conf.d/site.conf': `add_header X-Release ${content.text} always;
server {
  listen {{ instance.address }}:8081;
  listen 127.0.0.1:8081;
${content.wants === undefined ? '' : `  listen 127.0.0.1:${content.wants};\n`}  access_log off;
  root ${PAGES};
  location = /health { return ${content.isUnhealthy ? 503 : 200}; }
${content.hasNonsense ? '  lisen 1;\n' : ''}}
${broken(content)}`,
  }),
  nonsense: /unknown directive "lisen" in \/etc\/nginx\/conf\.d\/site\.conf:\d+/,
  servesWithoutAddress: true,
  start: ({ instance }) => instance.spawn(['nginx', '-g', 'daemon off;'], { log: 'nginx.log' }),
};

/** The newest worker is another one when the master process has read its files. */
const HAPROXY_RELOAD =
  'm=$(cat /run/haproxy.pid) && w=$(pgrep -n -P "$m") && kill -USR2 "$m" && until [ "$(pgrep -n -P "$m")" != "$w" ]; do sleep 0.05; done';

const haproxy: Software = {
  bundle: 'haproxy',
  port: 8082,
  root: '/etc/haproxy',
  link: 'files',
  definition: {
    root: '/etc/haproxy',
    link: 'files',
    templates: ['haproxy.cfg'],
    validate: { command: 'haproxy -c -f /etc/haproxy/haproxy.cfg' },
    reload: { command: HAPROXY_RELOAD },
    health: http(8082),
    rollout: { strategy: 'exponential', step: 12, bake: 1 },
  },
  files: (content, native) => ({
    'release.map': `second ${content.text}\n`,
    'haproxy.cfg': `${native('haproxy.cfg')}
frontend lab
	bind {{ instance.address }}:8082
	bind 127.0.0.1:8082
	http-request return status ${content.isUnhealthy ? 503 : 200} if { path /health }
	http-request return status 200 content-type text/plain string served hdr X-Release ${content.text} hdr X-Release "%[str(second),map(/etc/haproxy/release.map)]"
${content.hasNonsense ? '	nonsense\n' : ''}${broken(content)}`,
  }),
  nonsense: /\/etc\/haproxy\/haproxy\.cfg:\d+\] *: *unknown keyword 'nonsense'/,
  servesWithoutAddress: false,
  start: ({ instance }) =>
    instance.spawn(['haproxy', '-W', '-p', '/run/haproxy.pid', '-f', '/etc/haproxy/haproxy.cfg'], {
      log: 'haproxy.log',
    }),
};

/** apache2 counts how often it has read its files, and mod_status shows that. */
const APACHE_RELOAD = `g() { curl -fs 'http://127.0.0.1:8083/server-status?auto' | sed -n 's/^ParentServerConfigGeneration: //p'; }
old=$(g); apache2ctl graceful && until new=$(g) && [ "$new" ] && [ "$new" != "$old" ]; do sleep 0.05; done`;

const apache: Software = {
  bundle: 'apache',
  port: 8083,
  root: '/etc/apache2',
  link: 'copy',
  definition: {
    root: '/etc/apache2',
    link: 'copy',
    templates: ['ports.conf'],
    validate: { command: 'apache2ctl configtest' },
    reload: { command: APACHE_RELOAD },
    health: { command: 'curl -fsS -o /dev/null http://127.0.0.1:8083/health', interval: 1 },
    rollout: { strategy: 'zones', bake: 1 },
  },
  files: (content, native) => ({
    'ports.conf': `Listen {{ instance.address }}:8083\nListen 127.0.0.1:8083\n${broken(content)}`,
    'mods-enabled/headers.load': native('mods-available/headers.load'),
    'conf-enabled/second.conf': `Header always add X-Release ${content.text}\n`,
    'conf-enabled/site.conf': `ServerName lab.example
DocumentRoot ${PAGES}
Header always add X-Release ${content.text}
${content.isUnhealthy ? 'Redirect 503 /health\n' : ''}${content.hasNonsense ? 'Nonsense On\n' : ''}`,
  }),
  nonsense: /Syntax error on line \d+ of \/etc\/apache2\/conf-enabled\/site\.conf/,
  servesWithoutAddress: false,
  start: ({ instance }) => instance.spawn(['apache2ctl', '-DFOREGROUND'], { log: 'apache2.log' }),
};

export const SOFTWARE: readonly Software[] = [nginx, haproxy, apache];
