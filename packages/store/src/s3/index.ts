export {
  ConditionalObjects,
  type ListedObject,
  type ObjectsOptions,
  type StoredObject,
} from './objects.ts';
