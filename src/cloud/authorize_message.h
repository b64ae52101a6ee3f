/* The encoded authorisation message of a denial ("DecodeAuthorizationMessage", AWS Security Token
 * Service API Reference): what decided, sealed so that only this cloud reads it. */
#ifndef KUMONIWA_CLOUD_AUTHORIZE_MESSAGE_H
#define KUMONIWA_CLOUD_AUTHORIZE_MESSAGE_H

#include "auth/policy.h"
#include "cloud/call.h"

struct str authorize_message(struct call *call, const struct policy_question *question,
                             const struct policy_answer *answer);
/* The JSON text; false: not one of this cloud's. */
bool authorize_message_open(struct call *call, struct str message, struct str *json);

#endif
