/* SPDX-License-Identifier: Apache-2.0 */
/* The service as the transport calls it. */
#ifndef FLIGHT_SERVICE_H
#define FLIGHT_SERVICE_H

#include "flight_internal.h"

void flight_service_make(struct rhei_flight *server, struct flight_service *service);

#endif
