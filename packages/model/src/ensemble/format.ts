/** Of every record below `ensemble/`. */
export const ENSEMBLE_FORMAT = 1;
