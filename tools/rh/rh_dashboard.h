/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_dashboard.h
 * Where rh dashboard has its samples from: a look at the file, the service that has it, or an engine of its own with a load.
 */
#ifndef RH_DASHBOARD_H
#define RH_DASHBOARD_H

#include "dashboard_journal.h"
#include "dashboard_sample.h"
#include "rh_tool.h"

/** What the file tells to who only looks (as rh status). False: *error. */
bool rh_dashboard_look(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error);
/** What an engine of this process tells. False: *error. */
bool rh_dashboard_own(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error);
/** Backend, storage, pool and the like, of rhei_info_json's object, which is at `root` of the JSON ("$" or "$.info"). */
void rh_dashboard_take_info(struct rh_tool *tool, const char *json, const char *root, struct dashboard_sample *sample);

/** The same object's bytes of each table, for the tables that the sample has. */
void rh_dashboard_take_table_bytes(struct rh_tool *tool, const char *json, const char *root,
                                   struct dashboard_sample *sample);

/** A service of this machine that has the file open, asked by its socket; one thread. */
struct rh_attached;
/** For the file of the tool's database, which is open. `stop`: a descriptor that ends every wait once it can be read. */
struct rh_attached *rh_attached_new(struct rh_tool *tool, int stop);
void rh_attached_free(struct rh_attached **service);
/** Whether one is there now; connects to it. */
bool rh_attached_is_there(struct rh_attached *service);
/** What it tells, and what of its log is new. False: *error. */
bool rh_attached_take(struct rh_attached *service, struct dashboard_sample *sample, struct dashboard_journal *news,
                      struct rhei_error *error);
/** Lets it sync now; `text`: what that came to. */
bool rh_attached_sync(struct rh_attached *service, struct rh_buffer *text, struct rhei_error *error);

/** A database in a temporary folder, with writers and queries of this process. */
struct rh_demo;
/** Makes it and opens it as the tool's database. NULL: *error. */
struct rh_demo *rh_demo_start(struct rh_tool *tool, struct rhei_error *error);
/** Its statements and how long they took, as this process measured them. */
void rh_demo_take(struct rh_demo *demo, struct dashboard_sample *sample);
/** Ends the load, closes the database and removes the folder. */
void rh_demo_end(struct rh_tool *tool, struct rh_demo **demo);

#endif
