/* Cyclic redundancy checks, for digest.c and its tests. Each takes and returns the running
 * remainder, which is inverted neither before nor after. */
#ifndef KUMONIWA_BASE_CRC_INT_H
#define KUMONIWA_BASE_CRC_INT_H

#include "base/str.h"

uint32_t crc32_update(uint32_t crc, const uint8_t *p, size_t len);
uint32_t crc32c_update(uint32_t crc, const uint8_t *p, size_t len);
uint64_t crc64nvme_update(uint64_t crc, const uint8_t *p, size_t len);

/* The same on a processor without the instructions for it. */
uint32_t crc32c_by_table(uint32_t crc, const uint8_t *p, size_t len);
uint64_t crc64nvme_by_table(uint64_t crc, const uint8_t *p, size_t len);

#endif
