mod working_calendar;
