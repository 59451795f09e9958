/** ms of the processor that this thread has used, where the platform tells; else of the whole process */
export function processorTime(): number {
  const { user, system } = (process.threadCpuUsage ?? process.cpuUsage)();
  return (user + system) / 1000;
}
