import type { TimeService, TimeView } from './observe.ts';

/** A finding and, where it is not well, what to do. */
export interface TimeFinding {
  readonly result: 'ok' | 'warn';
  readonly detail: string;
  readonly advice?: string;
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configure-ec2-ntp.html: by NTP, and as a device where chrony reads it directly. */
const AMAZON = [/^169\.254\.169\.123$/, /^fd00:ec2::123$/i, /(^|\.)time\.aws\.com$/i, /^\/dev\/ptp/, /^PHC\d$/];
const NOT_NEEDED = 'Quorate is right with any clock; logs, certificates and people are not';
const ASK: Readonly<Record<TimeService, string>> = {
  chrony: 'chronyc sources',
  'systemd-timesyncd': 'timedatectl timesync-status',
  ntpd: 'ntpq -p',
  phc2sys: 'journalctl -u phc2sys',
};

/** Whether somebody keeps the clock, and on AWS whether from the nearest source. */
export function judgeTime({ services, sources, synchronised, container, aws }: TimeView): TimeFinding {
  const amazon = sources.some((source) => AMAZON.some((known) => known.test(source)));
  const [service, ...others] = services;
  if (!service) return nobody({ synchronised, container, aws });
  if (others.length > 0)
    return {
      result: 'warn',
      detail: `${services.join(' and ')} correct the clock at the same time`,
      advice: 'keep one of them: two pull the clock to and fro',
    };
  const from = sources.length > 0 ? `, from ${sources.slice(0, 4).join(', ')}` : '';
  if (synchronised === false)
    return {
      result: 'warn',
      detail: `${service} runs${from}, but the clock is not set by it`,
      advice: `\`${ASK[service]}\` tells why; its servers must be reachable on UDP port 123. ${NOT_NEEDED}`,
    };
  if (aws && sources.length > 0 && !amazon)
    return {
      result: 'warn',
      detail: `kept by ${service}${from}; this is AWS, but not its Amazon Time Sync Service`,
      advice: `take the time from 169.254.169.123: it is nearer, and needs no way out of the network${service === 'chrony' ? ' (`server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4` in chrony.conf)' : ''}`,
    };
  return { result: 'ok', detail: `kept by ${service}${from}${aws && amazon ? ' (Amazon Time Sync Service)' : ''}` };
}

function nobody({ synchronised, container, aws }: Pick<TimeView, 'synchronised' | 'container' | 'aws'>): TimeFinding {
  if (synchronised)
    return { result: 'ok', detail: 'no time service is seen from here, but the kernel calls the clock set' };
  if (container)
    return {
      result: 'warn',
      detail: 'no time service is seen from inside this container',
      advice: "the clock is the machine's: look there, by `quorate doctor` or `timedatectl`",
    };
  const amazon = aws ? '; on AWS with `server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4`' : '';
  return {
    result: 'warn',
    detail: 'no time service runs: the clock goes as it likes',
    advice: `${NOT_NEEDED}: install chrony${amazon}`,
  };
}
