/** Whether it is a name that EC2 gives to instances. */
export const isInstanceId = (name: string): boolean => /^i-[0-9a-f]{8,17}$/.test(name);
