/* SPDX-License-Identifier: Apache-2.0 */
/* Plain SQL as an application would write it for SQLite. Every ORDER BY is total, so that answers can be compared row by row. */
#include "demo.h"

const struct demo_question demo_questions[] = {
    {"Which airlines arrive late, and in which month?", "airlines by month",
     "SELECT a.name AS airline, f.month, count(*) AS flights, avg(f.arr_delay) AS mean_delay,\n"
     "       max(f.arr_delay) AS worst\n"
     "FROM flights f JOIN airlines a ON a.carrier = f.carrier\n"
     "GROUP BY a.name, f.month HAVING count(*) >= 100\n"
     "ORDER BY mean_delay DESC, a.name, f.month"},
    {"How do the minutes of delay add up over the year?", "running totals",
     "SELECT origin, month, sum(dep_delay) AS minutes,\n"
     "       sum(sum(dep_delay)) OVER (PARTITION BY origin ORDER BY month) AS minutes_so_far\n"
     "FROM flights GROUP BY origin, month ORDER BY origin, month"},
    {"Which routes are the worst?", "worst routes",
     "SELECT f.origin, coalesce(d.name, f.dest) AS destination, count(*) AS flights,\n"
     "       avg(f.arr_delay) AS mean_delay\n"
     "FROM flights f LEFT JOIN airports d ON d.faa = f.dest\n"
     "GROUP BY f.origin, coalesce(d.name, f.dest) HAVING count(*) >= 100\n"
     "ORDER BY mean_delay DESC, f.origin, destination"},
    {"Does the wind delay departures?", "wind and delay",
     "SELECT CASE WHEN w.wind_speed >= 25 THEN '3 storm'\n"
     "            WHEN w.wind_speed >= 12 THEN '2 windy' ELSE '1 calm' END AS wind,\n"
     "       count(*) AS flights, avg(f.dep_delay) AS mean_delay, sum(f.dep_time IS NULL) AS cancelled\n"
     "FROM flights f JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour\n"
     "WHERE w.wind_speed IS NOT NULL GROUP BY wind ORDER BY wind"},
    {"When is the best time of the day to fly?", "hours of the day",
     "SELECT hour, count(*) AS flights, avg(dep_delay) AS mean_delay, sum(dep_time IS NULL) AS cancelled\n"
     "FROM flights GROUP BY hour ORDER BY mean_delay, hour"},
    {"Who built the planes that fly most?", "manufacturers",
     "SELECT p.manufacturer, count(*) AS flights, count(DISTINCT f.tailnum) AS planes,\n"
     "       sum(f.distance) AS miles\n"
     "FROM flights f JOIN planes p ON p.tailnum = f.tailnum\n"
     "GROUP BY p.manufacturer ORDER BY miles DESC, p.manufacturer"},
    {"Where is one flight? (a row by its key)", "one flight",
     "SELECT carrier, flight, origin, dest, dep_delay FROM flights WHERE rowid = 4711"},
};
const int demo_question_count = sizeof demo_questions / sizeof demo_questions[0];
