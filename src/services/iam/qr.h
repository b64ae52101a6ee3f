/* QR codes as PNG images (ISO/IEC 18004; RFC 2083). */
#ifndef KUMONIWA_SERVICES_IAM_QR_H
#define KUMONIWA_SERVICES_IAM_QR_H

#include "base/str.h"

/* In the arena; absent when the text is too long for a code. */
struct str qr_png(struct arena *arena, struct str text);

#endif
