/** What the files of a release say: different each time, and such that nginx takes it too and passes it on with each answer. */
export function releaseText(id: string): string {
  return `add_header X-Release ${id} always;`;
}

/** Ends when nginx has read its files, which `nginx -s reload` alone does not wait for: they could be of two releases then. Told in docs/guide.md. */
export const NGINX_RELOAD =
  'm=$(cat /run/nginx.pid) && w=$(pgrep -n -P "$m") && nginx -s reload && until [ "$(pgrep -n -P "$m")" != "$w" ]; do sleep 0.05; done';

/** What an nginx reads that serves by both files: each answer of it shows what each of them said. */
export const NGINX = `user www-data;
worker_processes 1;
pid /run/nginx.pid;
events {}
http {
  access_log off;
  server {
    listen 80 default_server;
    location / {
      include /etc/app/*.conf;
      include /etc/app/conf.d/*.conf;
      return 200 "served\\n";
    }
  }
}
`;
