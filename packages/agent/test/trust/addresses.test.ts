import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import test from 'node:test';
import { certificateAddresses } from '@quorate/agent';

const info = (address: string, internal = false): NetworkInterfaceInfo =>
  ({ address, internal }) as NetworkInterfaceInfo;

test('a certificate names what was declared and every address that connections may come from, each once', () => {
  const interfaces = {
    lo: [info('127.0.0.1', true), info('::1', true)],
    eth0: [info('10.0.0.7'), info('fd00:0::7'), info('fe80::1')],
    eth1: [info('192.168.1.7')],
  };
  assert.deepEqual(certificateAddresses(['10.0.0.7', 'Web-7.Internal'], interfaces), [
    '10.0.0.7',
    'web-7.internal',
    'fd00::7',
    '192.168.1.7',
  ]);
  const many = { br: Array.from({ length: 40 }, (_, at) => info(`172.17.0.${at}`)) };
  assert.equal(certificateAddresses(['10.0.0.7'], many).length, 16);
});
