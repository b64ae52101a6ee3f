/* Between the files of authorisation. */
#ifndef KUMONIWA_CLOUD_AUTHORIZE_INT_H
#define KUMONIWA_CLOUD_AUTHORIZE_INT_H

#include "auth/policy.h"
#include "cloud/arn.h"
#include "cloud/call.h"
#include "cloud/organization.h"

/* --- authorize_rules.c: iam.list --- */

/* One line of it. */
struct authorize_rule {
    struct str action;   /* "sqs:SendMessage" */
    struct str resource; /* "arn:{partition}:sqs:{region}:{account}:{queue}" */
    bool lists;          /* the resource names the items of a list: "{RequestItems[]}" */
};
struct authorize_rules {
    const struct authorize_rule *items;
    size_t len;
};
struct authorize_services;
struct authorize_service;
struct authorize_services *authorize_services_new(struct arena *arena,
                                                  const struct service_hooks *const *hooks);
void authorize_services_free(struct authorize_services *services);
/* NULL: a model that nobody has code for. */
struct authorize_service *authorize_service_of(struct authorize_services *services,
                                               const struct wire_model *model);
const struct service_hooks *authorize_hooks(const struct authorize_service *service);
const struct authorize_rules *authorize_rules_of(struct authorize_service *service,
                                                 uint32_t operation);

/* The ARNs that a template means for this request. What the request does not name is '*', but a
 * list names each of its items, none when it is empty. A name that is an ARN stands for the ARN
 * before it. */
struct str_list authorize_resources(const struct call *call, const void *in, struct str template);

/* --- authorize_keys.c, authorize_input.c: condition keys --- */

/* What the keys of one request are read from. */
struct authorize_request {
    struct call *call;
    const void *in;                    /* NULL: none */
    const struct service_hooks *hooks; /* NULL: none */
    struct str owner;                  /* of the resource; absent: the principal's account */
    const struct principal *who;
    bool (*find)(void *self, struct str key, struct policy_values *out); /* first; may be NULL */
    void *self;
};

/* A policy_context's find: the global condition keys ("AWS global condition context keys", IAM User
 * Guide), then the service's own. */
bool authorize_key(void *request, struct str key, struct policy_values *out);

bool authorize_set(struct authorize_request *request, struct str value, struct policy_values *out);

/* A string member of the request, by its name or with "Name" or "Id" after it, without case; absent
 * when there is none. */
struct str authorize_member(const struct call *call, const void *in, struct str name);
/* The strings at a path through lists: "TransactItems[].Put.TableName"; keys of a map:
 * "RequestItems[]". */
struct str_list authorize_members(const struct call *call, const void *in, struct str path);
/* aws:RequestTag/NAME and aws:TagKeys. */
bool authorize_request_tag(struct authorize_request *request, struct str name,
                           struct policy_values *out);
bool authorize_tag_keys(struct authorize_request *request, struct policy_values *out);
/* aws:PrincipalTag/NAME, and keys that a session carries. */
bool authorize_session_key(struct authorize_request *request, struct str key,
                           struct policy_values *out);

/* --- authorize_organization.c --- */

/* How many policies of a kind hold for an action. */
size_t authorize_view_count(const struct organization_view *view, enum policy_kind kind,
                            struct str action);
/* A service-linked role, whom no organization's policy binds. */
bool authorize_is_linked(const struct principal *who);
/* aws:PrincipalOrgID, aws:PrincipalOrgPaths, and the same of Resource and Source. */
bool authorize_organization_key(struct authorize_request *request, struct str key,
                                struct policy_values *out);

#endif
