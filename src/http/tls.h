/* The TLS library, loaded when it is needed. */
#ifndef KUMONIWA_HTTP_TLS_H
#define KUMONIWA_HTTP_TLS_H

#include <stdbool.h>

/* Before a server with TLS is started; false when the library is not there. Again and again does no
 * harm. */
bool tls_load(void);

#endif
