"""Would an agent have saved time on a map that was measured already?"""
