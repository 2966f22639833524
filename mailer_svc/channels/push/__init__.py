"""Push: to browsers (Web Push), and to phones by Firebase and OneSignal."""
