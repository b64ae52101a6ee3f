/* What headers.py compiles every header in front of. */
typedef int nothing;
