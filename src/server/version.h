/* The program's version. */
#ifndef KUMONIWA_SERVER_VERSION_H
#define KUMONIWA_SERVER_VERSION_H

#define KUMONIWA_VERSION "0.1.0"

#endif
