import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { AlarmGate } from '../../src/rollout/alarm-gate.ts';
import { askGate } from '../../src/rollout/gate.ts';

test('a gate is open, shut, or says nothing', async (t) => {
  const server = createServer((request, answer) => {
    if (request.url !== '/silent') answer.writeHead(request.url === '/go' ? 200 : 409).end('an incident');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const at = (path: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const cases = [
    [{ url: at('/go') }, 'open', /^$/],
    [{ url: at('/stop') }, 'shut', /status 409, not 200 to 299\nan incident/],
    [{ url: at('/stop'), status: 409 }, 'open', /^$/],
    [{ url: at('/silent'), timeout: 0.2 }, 'unknown', /no answer within 0.2 s/],
    [{ url: 'http://127.0.0.1:1/' }, 'unknown', /ECONNREFUSED/],
    [{ url: 'http://127.0.0.1:123456/' }, 'unknown', /./],
    [{ command: 'test "$QUORATE_BUNDLE $QUORATE_RELEASE" = "web 7"' }, 'open', /^$/],
    [{ command: 'echo too many errors; exit 3' }, 'shut', /exit code 3: too many errors/],
    [{ alarm: ['web-5xx'] }, 'unknown', /asks CloudWatch, and the settings .* have no `aws:`/],
    [{ command: 'exec sleep 60', timeout: 0.2 }, 'unknown', /no answer within 0.2 s/],
  ] as const;
  for (const [gate, state, detail] of cases) {
    const answer = await askGate(gate, 'web', 7, new AlarmGate(undefined));
    assert.equal(answer.state, state, JSON.stringify([gate, answer]));
    assert.match(answer.detail, detail);
  }
  server.closeAllConnections();
});
